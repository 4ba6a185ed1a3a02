/** The checksum of Kafka's record batches: CRC-32C (Castagnoli, RFC 3720), eight bytes at a time. Node has only the CRC-32 of zlib. */

const POLYNOMIAL = 0x82f63b78
const WIDTH = 8

const TABLES = tables()
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
]

/** Of the bytes [from, end); unsigned. */
export function crc32c(bytes: Uint8Array, from = 0, end = bytes.length): number {
  let crc = -1
  let at = from
  for (; at <= end - WIDTH; at += WIDTH) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc =
      T7[crc & 255]! ^
      T6[(crc >>> 8) & 255]! ^
      T5[(crc >>> 16) & 255]! ^
      T4[crc >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 255]!
  return ~crc >>> 0
}

/** Table n: the checksum of a byte that n zero bytes follow. */
function tables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    return crc
  })
  const all = [first]
  while (all.length < WIDTH) all.push(all.at(-1)!.map((crc) => (crc >>> 8) ^ first[crc & 255]!))
  return all
}
