/** White space in the bytes of JSON (RFC 8259, 2): it occurs only between tokens, where all kinds are equivalent. */
const [SPACE, TAB, LINE_FEED, CARRIAGE_RETURN] = [0x20, 0x09, 0x0a, 0x0d]

export function isJsonSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === LINE_FEED || byte === CARRIAGE_RETURN
}

/** Whether the range contains only white space. */
export function isBlank(bytes: Buffer, from = 0, end = bytes.length): boolean {
  for (let at = from; at < end; at++) if (!isJsonSpace(bytes[at])) return false
  return true
}

/** Trims surrounding white space and replaces line breaks with spaces. Returns a view of the same bytes if there are no line breaks. */
export function onOneLine(json: Buffer): Buffer {
  const [from, end] = trimmed(json, 0, json.length)
  return withoutLineBreaks(json.subarray(from, end))
}

/** The range without white space around it. */
export function trimmed(json: Buffer, from: number, end: number): readonly [from: number, end: number] {
  let [first, last] = [from, end]
  while (first < last && isJsonSpace(json[first])) first++
  while (last > first && isJsonSpace(json[last - 1])) last--
  return [first, last]
}

/** Replaces line breaks with spaces, each at its place. Returns the same bytes if there are none. */
export function withoutLineBreaks(json: Buffer): Buffer {
  if (!json.includes(LINE_FEED) && !json.includes(CARRIAGE_RETURN)) return json
  const line = Buffer.from(json)
  for (let at = 0; at < line.length; at++) if (line[at] === LINE_FEED || line[at] === CARRIAGE_RETURN) line[at] = SPACE
  return line
}
