import { expect, test } from 'vitest'
import { answerAtLeast } from './at-least.ts'
import type { Answer } from './merged-view.ts'

const answerOf = (position: readonly number[]): Answer =>
  ({ rowsJson: '[]', rowCount: 0, meta: { position } }) as unknown as Answer

test('asks until the answer counts the position, and gives that answer', async () => {
  const counted = [
    [5, 0],
    [9, 0],
    [9, 3],
    [9, 4],
  ]
  let asked = 0
  const position = new Map([
    [0, 6],
    [1, 3],
  ])
  const answer = await answerAtLeast({ position, waitMsMax: 60_000 }, async () => answerOf(counted[asked++]!))
  expect(answer.meta.position).toEqual([9, 3])
  expect(asked).toBe(3)
})

test('when the time is over it says which partitions are behind', async () => {
  const position = new Map([
    [0, 6],
    [1, 3],
    [2, 1],
  ])
  await expect(answerAtLeast({ position, waitMsMax: 1 }, async () => answerOf([6, 2]))).rejects.toThrow(
    /after waitMsMax = 1 ms the answer counts events up to 1:2,2:0, but not yet up to 1:3,2:1/,
  )
})

test('what asking throws ends the wait', async () => {
  const position = new Map([[0, 1]])
  const ask = async (): Promise<Answer> => {
    throw new RangeError('no')
  }
  await expect(answerAtLeast({ position, waitMsMax: 60_000 }, ask)).rejects.toThrow(RangeError)
})
