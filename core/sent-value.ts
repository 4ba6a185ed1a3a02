/** How a value of an event is shown to people: as it was sent, with all of its digits. */
import { type JsonPath, valueAt } from './json-path.ts'

const SHOWN_CHARS_MAX = 80

interface SourceTexts {
  /** a value that JSON.stringify writes as this text */
  rawJSON(source: string): unknown
  parse(text: string, revive: (name: string, value: unknown, context: { readonly source: string }) => unknown): unknown
}

/**
 * The JSON text of the value at a path, cut to 80 characters: `99999999999999999999`, which JavaScript reads as 100000000000000000000.
 * @param text the event's JSON
 */
export function sentText(text: string, path: JsonPath): string {
  // TypeScript does not know the source texts of JSON yet.
  const json = JSON as unknown as SourceTexts
  const event = json.parse(text, (_, value, { source }) => (typeof value === 'number' ? json.rawJSON(source) : value))
  return JSON.stringify(valueAt(event, path)).slice(0, SHOWN_CHARS_MAX)
}
