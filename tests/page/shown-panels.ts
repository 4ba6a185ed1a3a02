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

/** An answer that does not come within this time fails the test with the panel's title. */
const WAIT_MS_MAX = 20_000

/** Opens the menu of each panel, which has the address of its answer. */
const COLLECT = `(async () => {
  const shown = []
  const present = async (panel, what, find) => {
    for (const beganMs = performance.now(); performance.now() - beganMs < ${WAIT_MS_MAX}; ) {
      const found = find()
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error('panel "' + panel.querySelector('h3')?.textContent + '": no ' + what + ' within ${WAIT_MS_MAX} ms')
  }
  for (const panel of document.querySelectorAll('section.panel')) {
    const menu = await present(panel, 'menu', () => panel.querySelector('footer details.menu'))
    menu.open = true
    const link = await present(panel, 'link to its answer', () => [...menu.querySelectorAll('a')].at(-1))
    const path = link.getAttribute('href')
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
