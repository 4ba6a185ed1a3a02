/** What the panels of an open page show: the question of each, and the numbers that stand on it. */
import type { Page } from 'playwright-core'

export interface ShownPanel {
  readonly title: string
  /** of the answer that is shown */
  readonly path: string
  /** of bars and steps in their order, tiles, and cells of tables row by row; empty where a chart shows them */
  readonly numbers: readonly string[]
  readonly isChart: boolean
}

/** Opens the menu of each panel, where the address of its answer is. */
const COLLECT = `(async () => {
  const shown = []
  for (const panel of document.querySelectorAll('section.panel')) {
    const menuOf = () => panel.querySelector('footer details.menu')
    while (menuOf() === null) await new Promise((resolve) => setTimeout(resolve, 20))
    const menu = menuOf()
    menu.open = true
    const link = () => [...menu.querySelectorAll('a')].at(-1)
    while (link() === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    const path = link().getAttribute('href')
    menu.open = false
    const numbers = '.ranking .value, .funnel .value, .tiles dd, tbody td.number'
    const own = (element) => [...element.childNodes].find(({ nodeType, textContent }) => nodeType === 3 && /\\d|–/.test(textContent))
    shown.push({
      title: panel.querySelector('h3').textContent,
      path,
      numbers: [...panel.querySelectorAll(numbers)].map((element) => own(element)?.textContent ?? element.textContent),
      isChart: panel.querySelector('canvas') !== null,
    })
  }
  return shown
})()`

export function shownPanels(page: Page): Promise<readonly ShownPanel[]> {
  return page.evaluate<readonly ShownPanel[]>(COLLECT)
}

/** `$1,234.5`, `12.3%` and `–` as numbers. */
export function numberIn(text: string): number | null {
  const digits = text.replace(/[^\d.%-]/g, '')
  if (!/\d/.test(digits)) return null
  return digits.endsWith('%') ? Number(digits.slice(0, -1)) / 100 : Number(digits)
}
