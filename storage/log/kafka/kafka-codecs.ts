/** The compressions of Kafka's record batches. zstd and gzip are Node's own, snappy and lz4 come from packages. */
import { promisify } from 'node:util'
import { constants, gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib'
import kafkajs from 'kafkajs'
import { decompressFrame } from 'lz4-napi'
import { uncompress } from 'snappy'

const { CompressionCodecs, CompressionTypes } = kafkajs

/** Bits 0–2 of a record batch's attributes. */
export const CODEC_MASK = 0b111

/** A level that is faster than the network at little more size; measured in the decision on the client. */
const ZSTD_LEVEL = 1
const GZIP_LEVEL = 1
/** what a record batch may grow to when it is taken apart: a guard against bombs */
export const BATCH_BYTES_MAX = 256 * 1024 * 1024

/** Records shrink to an eighth or so: room for what comes out in one piece or few, where the default is 16 KiB. */
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

/** Gives the client library the compressions that we send with. Process-wide, as the library has it. */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.GZIP] = () => ({
    compress: ({ buffer }: Encoded) => zip(buffer, { level: GZIP_LEVEL, ...roomy(buffer.length / GROWTH) }),
    decompress: (bytes: Buffer) => unzip(bytes, roomy(bytes.length * GROWTH)),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: Encoded) =>
      zstd(buffer, {
        params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
        // Into the frame: who reads it makes room for what comes out, once.
        pledgedSrcSize: buffer.length,
        ...roomy(buffer.length / GROWTH),
      }),
    decompress: (bytes: Buffer) => unzstd(bytes, roomy(zstdContentBytes(bytes) ?? bytes.length * GROWTH)),
  })
}

/** @throws when the bytes are not what the codec makes, or, of gzip and zstd, when more than BATCH_BYTES_MAX come out */
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
/** magic, descriptor, window, dictionary and size; a shorter frame holds next to nothing */
const ZSTD_HEAD_BYTES_MAX = 18
/** written where the size is not known */
const ZSTD_SIZE_UNKNOWN = 2 ** 64
/** room for the end of a stream to be seen */
const END_BYTES = 64

/** What a zstd frame says that comes out of it (RFC 8878, 3.1.1.1); null when it does not say. */
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

/** Java writes snappy in blocks behind a header of its own; others write one bare block. */
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
