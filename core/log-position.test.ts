import { expect, test } from 'vitest'
import { isReached, parsePosition, positionAfter, positionText } from './log-position.ts'

test('a position is a text and back', () => {
  const position = positionAfter([
    { partition: 2, start: 5, end: 7 },
    { partition: 0, start: 9, end: 12 },
    { partition: 2, start: 1, end: 3 },
  ])
  expect(positionText(position)).toBe('0:12,2:7')
  expect(parsePosition('0:12,2:7')).toEqual(position)
  expect(parsePosition('2:3,0:12,2:7')).toEqual(position)
  expect(positionText(positionAfter([]))).toBe('')
})

test.each([
  '',
  '0',
  '0:',
  ':1',
  '0:1,',
  '0:-1',
  '0:1.5',
  'a:1',
  '0:1;1:2',
  '0:99999999999999999',
  '0:9999999999999999',
  '00000:1',
])('%j is not a position', (text) => {
  expect(parsePosition(text)).toBeNull()
})

test('it is reached when every one of its partitions is counted so far', () => {
  const position = parsePosition('0:12,2:7')!
  expect(isReached(position, [12, 0, 7])).toBe(true)
  expect(isReached(position, [13, 0, 8])).toBe(true)
  expect(isReached(position, [11, 9, 7])).toBe(false)
  expect(isReached(position, [12, 9])).toBe(false)
  expect(isReached(parsePosition('1:0')!, [])).toBe(true)
})
