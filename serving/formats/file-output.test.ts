/** A file that is written while the next bytes are made, on a real disk and on one that is full. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { FileOutput } from './file-output.ts'

test('everything is written in its order; what was passed before the last time may be changed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-output-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'rows')
  const output = await FileOutput.open(file)
  const memory = [Buffer.alloc(100_000), Buffer.alloc(100_000)] as const
  for (let turn = 0; turn < 20; turn++) {
    const piece = memory[turn % 2]!.fill(65 + turn)
    await output.write([piece.subarray(0, 40_000), piece.subarray(0, 0), piece.subarray(40_000)])
  }
  await output.write([])
  await output.finish()
  await output.close()
  const expected = Array.from({ length: 20 }, (_, turn) => String.fromCharCode(65 + turn).repeat(100_000)).join('')
  expect(readFileSync(file, 'latin1')).toBe(expected)
})

test('what could not be written is reported by the next call, and by the last one', async () => {
  const output = await FileOutput.open('/dev/full')
  await output.write([Buffer.from('rows')])
  await expect(output.write([Buffer.from('more')])).rejects.toThrow('ENOSPC')
  await expect(output.finish()).rejects.toThrow('ENOSPC')
  await output.close()
})
