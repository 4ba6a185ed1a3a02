/** The demo stream of `watershed start`: generated RSVPs, ingested like all other events. */
import { RsvpGenerator } from '#datasets/rsvp-generator.ts'
import { runGenerator } from '#ingest/generator-source.ts'
import type { Platform } from '../roles/platform.ts'
import type { Service } from './service.ts'

const DEMO_DATASET = 'meetup_rsvps'

/** Resolves when the stream has stopped; immediately if it is disabled or its dataset is not loaded. */
export async function runDemo(platform: Platform, { configuration, emit, signal }: Service): Promise<void> {
  const intake = platform.intakes.get(DEMO_DATASET)
  if (!configuration.demo) return
  if (intake === undefined) {
    const message = `demo: not started, because its dataset ${DEMO_DATASET} is not loaded; add --dataset ${DEMO_DATASET}`
    emit({ name: 'demo-impossible', level: 'warn', message })
    return
  }
  const { demoEventsPerSecond: eventsPerSecond, demoSeed: seed } = configuration
  emit({
    name: 'demo-started',
    level: 'info',
    dataset: DEMO_DATASET,
    message: `demo: ingesting ${eventsPerSecond} generated RSVPs per second into ${DEMO_DATASET}; disable it with --no-demo, or load your own dataset with --dataset`,
    fields: { eventsPerSecond, seed },
  })
  const generator = new RsvpGenerator({ seed, startMs: Date.now() })
  const onFault = (error: Error): void =>
    emit({ name: 'demo-fault', level: 'warn', dataset: DEMO_DATASET, message: `demo: ${error.message}` })
  await runGenerator(intake, generator, { eventsPerSecond, signal, onFault })
}
