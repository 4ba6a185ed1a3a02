/** How large numbers are, and how many digits they have. */

export interface NumberRange {
  lowest: number
  highest: number
  /** the most digits before and after the point */
  digits: number
  scale: number
}

export function emptyRange(): NumberRange {
  return { lowest: Number.POSITIVE_INFINITY, highest: Number.NEGATIVE_INFINITY, digits: 0, scale: 0 }
}

/** @param text a number with a decimal point */
export function widen(range: NumberRange, text: string): void {
  const number = Number(text)
  range.lowest = Math.min(range.lowest, number)
  range.highest = Math.max(range.highest, number)
  const [whole, part = ''] = text.replace(/^[+-]/, '').split('.')
  const isPlain = /^\d*$/.test(part) && /^\d+$/.test(whole!)
  range.digits = Math.max(range.digits, isPlain ? whole!.length : Number.POSITIVE_INFINITY)
  range.scale = Math.max(range.scale, part.length)
}

export function rangeOf(texts: readonly string[]): NumberRange {
  const range = emptyRange()
  for (const text of texts) widen(range, text)
  return range
}
