/** Runs before anything is painted: a page in dark colours must not flash in light ones. */
import { keptTheme, systemTheme } from './theme-choice.ts'

document.documentElement.dataset.theme = keptTheme() ?? systemTheme()
