/** watershed datasets: the shipped datasets, each with a first question. */
import type { Command } from 'commander'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { importDefinition } from '../drivers/definitions.ts'
import { commandWith, type SharedOptions } from './command-options.ts'
import { print, printJson, say } from './output.ts'

interface ListedDataset {
  readonly name: string
  readonly about: string
  readonly views: readonly string[]
  /** path of a query, below the address that `start` prints */
  readonly firstQuestion: string
}

export function datasetsCommand(): Command {
  return commandWith('datasets', 'List the shipped datasets, each with a first question').action(datasets)
}

async function datasets({ json }: SharedOptions): Promise<void> {
  const listed = await Promise.all(Object.keys(SHIPPED_DATASETS).map(listedDataset))
  if (json) return printJson(listed)
  for (const { name, about, firstQuestion } of listed) {
    print(name)
    print(`  ${about}`)
    print(`  start  ./watershed start --dataset ${name}`)
    print(`  ask    curl -s 'http://127.0.0.1:8787${firstQuestion}'`)
  }
  say(
    'each starts with a demo source of generated events (--no-demo leaves it out), or reads the live stream that its definition names',
  )
}

async function listedDataset(name: string): Promise<ListedDataset> {
  const { about, firstQuestion } = SHIPPED_DATASETS[name]!
  const { definition } = await importDefinition(name)
  return {
    name,
    about,
    views: Object.keys(definition.views),
    firstQuestion: `/v1/datasets/${name}/views/${firstQuestion}`,
  }
}
