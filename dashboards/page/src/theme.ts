/** The colours in use, which the user can switch. */
import { effect, signal } from '@preact/signals'
import { darkSystem, keepTheme, keptTheme, systemTheme, type Theme } from './theme-choice.ts'

const chosen = signal<Theme | null>(keptTheme())

export const theme = signal<Theme>('light')

const follow = (): void => {
  theme.value = chosen.value ?? systemTheme()
}
darkSystem.addEventListener('change', follow)
effect(() => {
  follow()
  document.documentElement.dataset.theme = theme.value
})

export function switchTheme(): void {
  const next = theme.value === 'dark' ? 'light' : 'dark'
  chosen.value = next
  keepTheme(next)
}
