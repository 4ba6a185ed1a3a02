import { expect, test } from 'vitest'
import type { PlatformEvent } from '#telemetry/emit.ts'
import type { Platform } from '../roles/platform.ts'
import { demoStreams } from './demo-source.ts'
import type { Service } from './service.ts'

test.each([
  [true, [/not started, because no shipped dataset is loaded.*--dataset meetup_rsvps/]],
  [false, []],
])('a requested demo (%s) without a shipped dataset is reported', async (demo, messages) => {
  const told: PlatformEvent[] = []
  const configuration = { demo, datasets: ['./mine.ts'] }
  const service = { configuration, emit: (event: PlatformEvent) => told.push(event) }
  const run = await demoStreams({ intakes: new Map() } as unknown as Platform, service as unknown as Service)
  expect(told).toEqual([])
  await run()
  expect(told.map(({ message }) => message)).toEqual(messages.map((message) => expect.stringMatching(message)))
})
