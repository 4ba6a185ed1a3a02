/** Recognises JSON that is not one event a line, and says what to do. */

/** @returns a sentence, if no record could be read as JSON; null otherwise */
export function spreadJsonHint(
  file: string,
  taken: number,
  faults: readonly { readonly reason: string }[],
): string | null {
  if (taken > 0 || faults.length === 0 || !faults.every(({ reason }) => reason.includes('not valid JSON'))) return null
  return `no line is one JSON object. If events are spread over several lines, or several are on one, write one on each line: jq -c . ${file === '-' ? 'events.json' : file} > events.ndjson`
}
