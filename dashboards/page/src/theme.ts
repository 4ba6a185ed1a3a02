/** Light or dark: as the system prefers, or as the user chose. */
import { effect, signal } from '@preact/signals'

export type Theme = 'light' | 'dark'

const KEY = 'watershed-theme'
const system = matchMedia('(prefers-color-scheme: dark)')
const kept = localStorage.getItem(KEY)
const chosen = signal<Theme | null>(kept === 'light' || kept === 'dark' ? kept : null)

export const theme = signal<Theme>('light')

const follow = (): void => {
  theme.value = chosen.value ?? (system.matches ? 'dark' : 'light')
}
system.addEventListener('change', follow)
effect(() => {
  follow()
  document.documentElement.dataset.theme = theme.value
})

export function switchTheme(): void {
  chosen.value = theme.value === 'dark' ? 'light' : 'dark'
  localStorage.setItem(KEY, chosen.value)
}
