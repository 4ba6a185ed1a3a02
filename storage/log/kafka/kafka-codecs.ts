/** Compression codecs of Kafka record batches. zstd and gzip are built into Node; snappy and lz4 come from packages. */
import { promisify } from 'node:util'
import { constants, gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs, { type CompressionTypes as CompressionType } from 'kafkajs'
import { decompressFrame } from 'lz4-napi'
import { uncompress } from 'snappy'
import { KafkaReader } from './kafka-bytes.ts'
import type { KafkaCompression } from './kafka-settings.ts'

const { CompressionCodecs, CompressionTypes } = kafkajs

/** Bits 0–2 of a record batch's attributes. */
export const CODEC_MASK = 0b111

export const COMPRESSION: Readonly<Record<KafkaCompression, CompressionType>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  zstd: CompressionTypes.ZSTD,
}

/** A level that is faster than the network at slightly larger size; measured in the decision on the client. */
const ZSTD_LEVEL = 1
const GZIP_LEVEL = 1
/** limit of a decompressed record batch: protects against decompression bombs */
export const BATCH_BYTES_MAX = 256 * 1024 * 1024

/** Records compress to about an eighth: larger output chunks than the default of 16 KiB. */
const CHUNK_BYTES_MIN = 64 * 1024
const CHUNK_BYTES_MAX = 4 * 1024 * 1024

function roomy(bytes: number): { readonly chunkSize: number; readonly maxOutputLength: number } {
  const chunkSize = Math.min(CHUNK_BYTES_MAX, Math.max(CHUNK_BYTES_MIN, Math.ceil(bytes)))
  return { chunkSize, maxOutputLength: BATCH_BYTES_MAX }
}

const GROWTH = 8
const [zip, unzip, zstd, unzstd] = [
  promisify(gzip),
  promisify(gunzip),
  promisify(zstdCompress),
  promisify(zstdDecompress),
]

interface Encoded {
  readonly buffer: Buffer
}

/** Registers the send codecs with the client library, which keeps them process-wide. */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.GZIP] = () => ({
    compress: ({ buffer }: Encoded) => zip(buffer, { level: GZIP_LEVEL, ...roomy(buffer.length / GROWTH) }),
    decompress: (bytes: Buffer) => unzip(bytes, roomy(bytes.length * GROWTH)),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: Encoded) =>
      zstd(buffer, {
        params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
        // Stored in the frame, so that a reader can allocate its output once.
        pledgedSrcSize: buffer.length,
        ...roomy(buffer.length / GROWTH),
      }),
    decompress: (bytes: Buffer) => unzstd(bytes, roomy(zstdContentBytes(bytes) ?? bytes.length * GROWTH)),
  })
}

/** @throws if the bytes do not match the codec, or if the output exceeds BATCH_BYTES_MAX, before it is in memory */
export async function decompress(codec: number, bytes: Buffer): Promise<Buffer> {
  switch (codec) {
    case 0:
      return bytes
    case 1:
      return unzip(bytes, roomy(bytes.length * GROWTH))
    case 2:
      return unsnappy(bytes)
    case 3:
      assertBounded(lz4ContentBytesMax(bytes))
      return decompressFrame(bytes)
    case 4:
      return unzstd(bytes, roomy(zstdContentBytes(bytes) ?? bytes.length * GROWTH))
    default:
      throw new Error(`records are compressed with the unsupported codec ${codec}`)
  }
}

const ZSTD_MAGIC = 0xfd2fb528
/** size of magic, descriptor, window, dictionary and content size */
const ZSTD_HEAD_BYTES_MAX = 18
/** encodes an unknown size */
const ZSTD_SIZE_UNKNOWN = 2 ** 64
/** extra space in which the end of a stream is detected */
const END_BYTES = 64

/** Decompressed size in a zstd frame header (RFC 8878, 3.1.1.1); null if it is absent. */
function zstdContentBytes(bytes: Buffer): number | null {
  if (bytes.length < ZSTD_HEAD_BYTES_MAX || bytes.readUInt32LE(0) !== ZSTD_MAGIC) return null
  const descriptor = bytes[4]!
  const single = (descriptor & 0x20) !== 0
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 0b11]!
  switch (descriptor >>> 6) {
    case 0:
      return single ? bytes[at]! + END_BYTES : null
    case 1:
      return bytes.readUInt16LE(at) + 256 + END_BYTES
    case 2:
      return bytes.readUInt32LE(at) + END_BYTES
    default: {
      const size = Number(bytes.readBigUInt64LE(at))
      return size === ZSTD_SIZE_UNKNOWN ? null : size + END_BYTES
    }
  }
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const XERIAL_HEADER = 16

function assertBounded(bytes: number): void {
  if (bytes > BATCH_BYTES_MAX)
    throw new RangeError(`its records have more than batchBytesMax = ${BATCH_BYTES_MAX} bytes when decompressed`)
}

const LZ4_HEAD_BYTES = 7
/** of a block: one byte can stand for so many */
const LZ4_RATIO_MAX = 255
const LZ4_STORED = 0x80000000
const LZ4_FLAGS = { blockChecksum: 0x10, contentSize: 0x08, dictionary: 0x01 }

/** An upper bound of the decompressed size of an lz4 frame, from the heads of its blocks (lz4_Frame_format.md). */
function lz4ContentBytesMax(bytes: Buffer): number {
  if (bytes.length < LZ4_HEAD_BYTES) return 0
  const [flags, descriptor] = [bytes[4]!, bytes[5]!]
  const blockBytesMax = 2 ** (8 + 2 * ((descriptor >>> 4) & 0b111))
  const checksum = (flags & LZ4_FLAGS.blockChecksum) === 0 ? 0 : 4
  let at =
    LZ4_HEAD_BYTES + ((flags & LZ4_FLAGS.contentSize) === 0 ? 0 : 8) + ((flags & LZ4_FLAGS.dictionary) === 0 ? 0 : 4)
  let most = 0
  while (at + 4 <= bytes.length) {
    const head = bytes.readUInt32LE(at)
    if (head === 0) break
    const stored = head >= LZ4_STORED
    const size = stored ? head - LZ4_STORED : head
    most += stored ? size : Math.min(blockBytesMax, size * LZ4_RATIO_MAX)
    at += 4 + size + checksum
  }
  return most
}

/** Java clients write snappy as blocks after their own header; others write one plain block. */
async function unsnappy(bytes: Buffer): Promise<Buffer> {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappyBlock(bytes)
  const blocks: Buffer[] = []
  let before = 0
  for (let at = XERIAL_HEADER; at < bytes.length; ) {
    const length = bytes.readInt32BE(at)
    if (length < 0) throw new RangeError(`a snappy block has the length ${length}`)
    blocks.push(await snappyBlock(bytes.subarray(at + 4, at + 4 + length), before))
    before += blocks.at(-1)!.length
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

/** @param before bytes of the blocks before it */
async function snappyBlock(bytes: Buffer, before = 0): Promise<Buffer> {
  assertBounded(before + new KafkaReader(bytes).uvarint())
  return (await uncompress(bytes, { asBuffer: true })) as Buffer
}
