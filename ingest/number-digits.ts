/** Numbers of typed formats (Arrow, Parquet) as JSON that keeps their digits until they are converted. */

/** digits that every double keeps: a JSON number with a fraction is read as one */
export const DOUBLE_DIGITS = 15

/**
 * JSON of a decimal: a number while a double keeps all of its digits, otherwise a text, which is converted digit by digit.
 *
 * @example
 * decimalJson('-12.50') // '-12.50'
 * decimalJson('1234567890.123456') // '"1234567890.123456"'
 */
export function decimalJson(text: string): string {
  const digits = text.replace(/[-.]/g, '').replace(/^0+/, '')
  return digits.length > DOUBLE_DIGITS ? `"${text}"` : text
}
