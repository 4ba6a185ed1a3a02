/** Decompression is bounded for every codec, and the checksum of batches is CRC-32C. */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrame } from 'lz4-napi'
import { compress } from 'snappy'
import { expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'
import { BATCH_BYTES_MAX, decompress } from './kafka-codecs.ts'

const bomb = Buffer.alloc(BATCH_BYTES_MAX + 1)

/** Snappy blocks as Java clients write them. */
function xerial(blocks: readonly Buffer[]): Buffer {
  const head = Buffer.concat([Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]), Buffer.alloc(8, 1)])
  const lengths = blocks.map((block) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    return Buffer.concat([length, block])
  })
  return Buffer.concat([head, ...lengths])
}

const PACK: readonly (readonly [string, number, (bytes: Buffer) => Promise<Buffer>])[] = [
  ['gzip', 1, async (bytes) => gzipSync(bytes, { level: 1 })],
  ['snappy', 2, compress],
  [
    'snappy of Java clients',
    2,
    async (bytes) => {
      const half = Math.ceil(bytes.length / 2)
      return xerial([await compress(bytes.subarray(0, half)), await compress(bytes.subarray(half))])
    },
  ],
  ['lz4', 3, (bytes) => compressFrame(bytes)],
  ['zstd', 4, async (bytes) => zstdCompressSync(bytes)],
]

test.each(PACK)(
  '%s: records come back; more than the limit is refused',
  async (_name, codec, pack) => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
        fc.integer({ min: 1, max: 200 }),
        async (bytes, times) => {
          const records = Buffer.concat(Array.from({ length: times }, () => bytes))
          expect((await decompress(codec, await pack(records))).equals(records)).toBe(true)
        },
      ),
      { numRuns: 30 },
    )
    const packed = await pack(bomb)
    expect(packed.length).toBeLessThan(bomb.length / 15)
    await expect(decompress(codec, packed)).rejects.toThrow(/batchBytesMax|larger than/)
  },
  60_000,
)

test('the checksum is that of RFC 3720, for every length and place', () => {
  for (const [bytes, sum] of [
    [Buffer.from('123456789'), 0xe3069283],
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ] as const)
    expect(crc32c(bytes)).toBe(sum)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), fc.nat(60), (bytes, a, b) => {
      const [from, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)]
      expect(crc32c(bytes, from, end)).toBe(bitwise(bytes.subarray(from, end)))
    }),
  )
})

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}
