import { expect, test } from 'vitest'
import type { PartStatus } from '../roles/role-messages.ts'
import { forEveryone, servedParts } from './served-parts.ts'
import { sinkPart, unknownSink } from './sink-reports.ts'

const part = (state: PartStatus['state'], fault: string | null = null): PartStatus => ({
  name: 'batch of shop',
  dataset: 'shop',
  state,
  fault,
  numbers: { generation: 'g000003', finishedAtMs: null },
})

test.each([
  ['idle', true],
  ['running', true],
  ['locked', true],
  ['failing', false],
  ['refused', false],
] as const)('a part that is %s: ready %s', (state, ready) => {
  const [thread, own] = servedParts({ name: 'batch', state: 'running', restarts: 0, fault: null, parts: [part(state)] })
  expect(thread).toEqual({ name: 'batch role', ready: true, state: 'running', detail: '' })
  expect(own).toEqual({ name: 'batch of shop', ready, state, detail: 'generation g000003' })
})

test('faults and restarts are told; nothing of a thread that is down is ready', () => {
  const parts = [part('running', 'no space')]
  expect(servedParts({ name: 'batch', state: 'restarting', restarts: 2, fault: 'it died', parts })).toEqual([
    { name: 'batch role', ready: false, state: 'restarting', detail: '2 restarts, it died' },
    { name: 'batch of shop', ready: false, state: 'running', detail: 'no space, generation g000003' },
  ])
})

test('secrets are masked in what a part tells, and paths and control characters are left out', () => {
  const told = { name: 'batch role', ready: false, state: 'failing', detail: 'no answer of http://me:pass-word@host' }
  expect(forEveryone(told, ['pass-word'])).toEqual({ ...told, detail: 'no answer of http://me:***@host' })
  const fault = { ...told, detail: 'log /d/log/shop.sqlite: the file was \u001bdeleted' }
  expect(forEveryone(fault, []).detail).toBe('log shop.sqlite: the file was \\u001bdeleted')
})

test('a sink whose receiver fails is told of, and leaves the platform ready', () => {
  const sink = unknownSink('shop', { name: 'to_crm', kind: 'webhook', view: 'by_kind', url: 'https://crm.example/' })
  const failing = { ...sink, state: 'failing', reason: 'the receiver answered with 503', waitingMs: 900 } as const
  expect(sinkPart(failing)).toEqual({
    name: 'sink to_crm of shop',
    ready: true,
    state: 'failing',
    detail: 'the receiver answered with 503, deliveries 0, waitingMs 900',
  })
})
