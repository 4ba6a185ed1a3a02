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
  let [from, end] = [0, json.length]
  while (from < end && isJsonSpace(json[from])) from++
  while (end > from && isJsonSpace(json[end - 1])) end--
  const line = json.subarray(from, end)
  if (!line.includes(LINE_FEED) && !line.includes(CARRIAGE_RETURN)) return line
  return Buffer.from(line.map((byte) => (byte === LINE_FEED || byte === CARRIAGE_RETURN ? SPACE : byte)))
}
