/** The demo stream of `watershed start`: made-up RSVPs, through the same door as everything else. */
import { RsvpGenerator } from '#datasets/rsvp-generator.ts'
import { runGenerator } from '#ingest/generator-source.ts'
import type { Platform } from '../roles/platform.ts'
import type { Service } from './service.ts'

const DEMO_DATASET = 'meetup_rsvps'

/** Resolves when the stream has stopped: at once, where none is wanted or its dataset is not there. */
export async function runDemo(platform: Platform, { configuration, emit, signal }: Service): Promise<void> {
  const intake = platform.intakes.get(DEMO_DATASET)
  if (!configuration.demo) return
  if (intake === undefined) {
    const message = `demo: there is none, for it goes into ${DEMO_DATASET}, which is not among the datasets; name it, too, with --dataset ${DEMO_DATASET}`
    emit({ name: 'demo-impossible', level: 'warn', message })
    return
  }
  const { demoEventsPerSecond: eventsPerSecond, demoSeed: seed } = configuration
  emit({
    name: 'demo-started',
    level: 'info',
    dataset: DEMO_DATASET,
    message: `demo: ${eventsPerSecond} made-up RSVPs per second go into ${DEMO_DATASET}; --no-demo starts without, or name your own --dataset`,
    fields: { eventsPerSecond, seed },
  })
  const generator = new RsvpGenerator({ seed, startMs: Date.now() })
  const onFault = (error: Error): void =>
    emit({ name: 'demo-fault', level: 'warn', dataset: DEMO_DATASET, message: `demo: ${error.message}` })
  await runGenerator(intake, generator, { eventsPerSecond, signal, onFault })
}
