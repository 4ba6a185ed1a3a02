/**
 * Recognises JSON tokens (RFC 8259) in bytes, without building values. Each function takes the start of a token and the end of
 * the text, and returns the position after the token, or NONE when it is invalid or has a surrogate escape (\ud800 to \udfff).
 */
export const NONE = -1

export const QUOTE = 0x22
const [BACKSLASH, MINUS, PLUS, DOT, ZERO, NINE] = [0x5c, 0x2d, 0x2b, 0x2e, 0x30, 0x39]
const [SPACE, TAB, CARRIAGE_RETURN, LETTER_E, LETTER_U] = [0x20, 0x09, 0x0d, 0x65, 0x75]
const [TRUE, FALSE, NULL] = ['true', 'false', 'null'].map((word) => Buffer.from(word)) as [Buffer, Buffer, Buffer]

/** Bytes that end a run of plain characters in a string: quote, backslash, control characters. */
const STOPS_TEXT = tableOf([QUOTE, BACKSLASH, ...Array(SPACE).keys()])
const ESCAPED = tableOf(Buffer.from('"\\/bfnrt'))

function tableOf(bytes: Iterable<number>): Uint8Array {
  const table = new Uint8Array(256)
  for (const byte of bytes) table[byte] = 1
  return table
}

/** The position after optional white space. A line feed ends it: the text is one line. */
export function spaceEnd(bytes: Buffer, from: number, end: number): number {
  let at = from
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte > SPACE) break
    if (byte !== SPACE && byte !== CARRIAGE_RETURN && byte !== TAB) break
  }
  return at
}

/** @param from the position after the opening quote */
export function stringEnd(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end) {
    const byte = bytes[at]!
    if (STOPS_TEXT[byte] === 0) at++
    else if (byte === QUOTE) return at + 1
    else {
      at = byte === BACKSLASH ? escapeEnd(bytes, at + 1, end) : NONE
      if (at === NONE) return NONE
    }
  }
  return NONE
}

/** Whether the byte is a quote, a backslash, or not allowed in a string. */
export function endsPlainText(byte: number): boolean {
  return STOPS_TEXT[byte] === 1
}

/** @param from the position after the backslash */
function escapeEnd(bytes: Buffer, from: number, end: number): number {
  if (from >= end) return NONE
  if (ESCAPED[bytes[from]!] === 1) return from + 1
  if (bytes[from] !== LETTER_U || from + 5 > end) return NONE
  let code = 0
  for (let at = from + 1; at < from + 5; at++) {
    const digit = hexDigit(bytes[at]!)
    if (digit === NONE) return NONE
    code = code * 16 + digit
  }
  return code >= 0xd800 && code <= 0xdfff ? NONE : from + 5
}

function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : NONE
}

export function numberEnd(bytes: Buffer, from: number, end: number): number {
  const whole = from < end && bytes[from] === MINUS ? from + 1 : from
  let at = digitsEnd(bytes, whole, end)
  if (at === whole || (bytes[whole] === ZERO && at > whole + 1)) return NONE
  if (at < end && bytes[at] === DOT) {
    const fraction = at + 1
    at = digitsEnd(bytes, fraction, end)
    if (at === fraction) return NONE
  }
  return at < end && (bytes[at]! | 0x20) === LETTER_E ? exponentEnd(bytes, at + 1, end) : at
}

function exponentEnd(bytes: Buffer, from: number, end: number): number {
  const signed = from < end && (bytes[from] === MINUS || bytes[from] === PLUS)
  const digits = signed ? from + 1 : from
  const at = digitsEnd(bytes, digits, end)
  return at === digits ? NONE : at
}

/** The position after optional digits. */
export function digitsEnd(bytes: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++
  return at
}

/** true, false or null */
export function wordEnd(bytes: Buffer, from: number, end: number): number {
  const word = bytes[from] === TRUE[0] ? TRUE : bytes[from] === FALSE[0] ? FALSE : NULL
  if (from + word.length > end) return NONE
  for (let index = 0; index < word.length; index++) if (bytes[from + index] !== word[index]) return NONE
  return from + word.length
}
