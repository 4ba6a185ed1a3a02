import { randomBytes } from 'node:crypto'
import { constants, createZstdCompress, zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { FrameCompressor } from './frame-compressor.ts'

const pieces = [
  Buffer.from('a line\n'),
  randomBytes(5 * 1024 * 1024),
  Buffer.from('{"id":1,"at":1700000000000}\n'.repeat(150_000)),
  Buffer.from('another\n'),
]

test('each piece is a frame of its own, whoever asks at the same time', async () => {
  const compressor = new FrameCompressor()
  const frames = await Promise.all(pieces.map((piece) => compressor.compress(piece)))
  frames.forEach((frame, index) => {
    expect(zstdDecompressSync(frame).equals(pieces[index]!)).toBe(true)
  })
})

test('a piece that fails does not spoil the one after it', async () => {
  const compressor = new FrameCompressor()
  const [first] = pieces
  await expect(compressor.compress(7 as never as Buffer)).rejects.toThrow(TypeError)
  expect(zstdDecompressSync(await compressor.compress(first!)).equals(first!)).toBe(true)
})

test('what zstd refuses while it compresses is thrown, and the pieces that wait are compressed', async () => {
  let opened = 0
  const compressor = new FrameCompressor(() => {
    const stream = createZstdCompress({ flush: constants.ZSTD_e_end })
    if (opened++ > 0) return stream
    // As the native part does where memory is short: no callback, only the event.
    stream._transform = () => {
      stream.destroy(new Error('Allocation error : not enough memory'))
    }
    return stream
  })
  const [first, , third] = pieces
  const [refused, ...others] = await Promise.allSettled(
    [first!, third!, first!].map((piece) => compressor.compress(piece)),
  )
  expect(refused).toMatchObject({ status: 'rejected', reason: { message: 'Allocation error : not enough memory' } })
  const made = others.map((each) => (each.status === 'fulfilled' ? zstdDecompressSync(each.value) : Buffer.alloc(0)))
  expect(made.map((bytes, index) => bytes.equals([third!, first!][index]!))).toEqual([true, true])
  expect(opened).toBe(2)
})
