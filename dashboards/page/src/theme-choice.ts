/** Light or dark: as the user chose before, or as the system prefers. */
export type Theme = 'light' | 'dark'

const KEY = 'watershed-theme'
export const darkSystem = matchMedia('(prefers-color-scheme: dark)')

export function systemTheme(): Theme {
  return darkSystem.matches ? 'dark' : 'light'
}

/** null: the user never chose, or the browser keeps nothing */
export function keptTheme(): Theme | null {
  try {
    const kept = localStorage.getItem(KEY)
    return kept === 'light' || kept === 'dark' ? kept : null
  } catch {
    return null
  }
}

export function keepTheme(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // It lasts as long as the page.
  }
}
