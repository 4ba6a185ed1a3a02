/** The demo streams of `watershed start`: generated events of the shipped datasets that are loaded, ingested like all other events. */
import type { EventGenerator } from '#datasets/event-generator.ts'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { runGenerator } from '#ingest/generator-source.ts'
import type { Platform } from '../roles/platform.ts'
import type { Configuration } from '../settings/settings.ts'
import type { Service } from './service.ts'

/** By dataset. */
export type DemoGenerators = ReadonlyMap<string, EventGenerator>

/** Creates the generators of the loaded shipped datasets. The others have a source of their own, which the platform reads. */
export async function demoGenerators({ demo, datasets, demoSeed: seed }: Configuration): Promise<DemoGenerators> {
  const generators = new Map<string, EventGenerator>()
  if (!demo) return generators
  for (const dataset of shippedOf(datasets)) {
    const generator = await SHIPPED_DATASETS[dataset]!.generator?.({ seed, startMs: Date.now() })
    if (generator !== undefined) generators.set(dataset, generator)
  }
  return generators
}

/** Resolves when all demo streams have stopped; immediately if they are disabled or no shipped dataset is loaded. */
export async function runDemo(platform: Platform, service: Service, generators: DemoGenerators): Promise<void> {
  const { configuration, emit } = service
  if (!configuration.demo) return
  if (shippedOf(configuration.datasets).length === 0) {
    const message = `demo: not started, because no shipped dataset is loaded; add one, for example --dataset ${Object.keys(SHIPPED_DATASETS)[0]}`
    emit({ name: 'demo-impossible', level: 'warn', message })
  }
  await Promise.all([...generators].map(([dataset, generator]) => runDemoOf(dataset, generator, platform, service)))
}

async function runDemoOf(
  dataset: string,
  generator: EventGenerator,
  platform: Platform,
  service: Service,
): Promise<void> {
  const { configuration, emit, signal } = service
  const { demoEventsPerSecond: eventsPerSecond, demoSeed: seed } = configuration
  emit({
    name: 'demo-started',
    level: 'info',
    dataset,
    message: `demo: ingesting ${eventsPerSecond} generated events per second into ${dataset}; disable it with --no-demo, or load your own dataset with --dataset`,
    fields: { eventsPerSecond, seed },
  })
  const onFault = (error: Error): void =>
    emit({ name: 'demo-fault', level: 'warn', dataset, message: `demo: ${error.message}` })
  platform.demos.set(dataset, eventsPerSecond)
  await runGenerator(platform.intakes.get(dataset)!, generator, { eventsPerSecond, signal, onFault })
}

function shippedOf(datasets: readonly string[]): readonly string[] {
  return datasets.filter((entry) => Object.hasOwn(SHIPPED_DATASETS, entry))
}
