/** Colours of charts: those of the style sheet, where both themes define them. */
export interface Colours {
  /** of the page: a canvas inherits none */
  readonly font: string
  readonly series: readonly string[]
  readonly text: string
  readonly faint: string
  readonly line: string
  readonly surface: string
  /** land without a value */
  readonly land: string
  readonly up: string
  readonly down: string
  readonly low: string
  readonly high: string
}

export function colours(): Colours {
  const style = getComputedStyle(document.documentElement)
  const named = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    font: getComputedStyle(document.body).fontFamily,
    series: [1, 2, 3, 4, 5, 6, 7, 8].map((index) => named(`series-${index}`)),
    text: named('text'),
    faint: named('faint'),
    line: named('line'),
    surface: named('surface'),
    land: named('land'),
    up: named('up'),
    down: named('down'),
    low: named('map-low'),
    high: named('map-high'),
  }
}
