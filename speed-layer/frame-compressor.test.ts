import { randomBytes } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
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
