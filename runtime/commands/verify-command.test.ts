import { expect, test } from 'vitest'
import { endOf } from './end-of.ts'
import { verifyAll } from './verify-command.ts'
import type { Workspace } from './workspace.ts'

test('Ctrl-C ends it as interrupted, with a sentence', async () => {
  const connection = { stop: () => {}, close: () => {} }
  const open = { dataset: { name: 'shop' }, engine: { connect: async () => connection } }
  const workspace = { all: async () => [open], scratchFolder: '' } as unknown as Workspace
  const error = await verifyAll(workspace, AbortSignal.abort()).catch((thrown: unknown) => thrown)
  expect(endOf(error)).toEqual({ exit: 'interrupted', message: "verify was stopped before 'shop' was compared" })
})
