/** JSON whose numbers keep all of their digits. */

/**
 * As JSON.parse, but a number becomes what JSON.stringify writes as it was read: a double has 15 to 17 digits, sums and decimals more.
 *
 * @example JSON.stringify(parseWithDigits('[9007199254740993]')) // '[9007199254740993]'
 */
export function parseWithDigits(text: string): unknown {
  return JSON.parse(text, withDigits)
}

function withDigits(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? JSON.rawJSON(context!.source!) : value
}
