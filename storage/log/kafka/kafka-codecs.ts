/** Compression codecs of Kafka record batches. zstd and gzip are built into Node; snappy and lz4 come from packages. */
import { promisify } from 'node:util'
import { constants, gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs, { type CompressionTypes as CompressionType } from 'kafkajs'
import { decompressFrame } from 'lz4-napi'
import { uncompress } from 'snappy'
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

/** @throws if the bytes do not match the codec, or, for gzip and zstd, if the output exceeds BATCH_BYTES_MAX */
export async function decompress(codec: number, bytes: Buffer): Promise<Buffer> {
  switch (codec) {
    case 0:
      return bytes
    case 1:
      return unzip(bytes, roomy(bytes.length * GROWTH))
    case 2:
      return unsnappy(bytes)
    case 3:
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

/** Java clients write snappy as blocks after their own header; others write one plain block. */
async function unsnappy(bytes: Buffer): Promise<Buffer> {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappyBlock(bytes)
  const blocks: Buffer[] = []
  for (let at = XERIAL_HEADER; at < bytes.length; ) {
    const length = bytes.readInt32BE(at)
    blocks.push(await snappyBlock(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

async function snappyBlock(bytes: Buffer): Promise<Buffer> {
  return (await uncompress(bytes, { asBuffer: true })) as Buffer
}
