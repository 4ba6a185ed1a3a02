/** What the server says about itself. */
import { z } from 'zod'
import { name } from './scalars.ts'

export const INDEX = z.strictObject({
  product: z.literal('watershed'),
  document: z.string().describe('Path of the OpenAPI document'),
  docs: z.string().describe('Path of the page that shows it'),
  datasets: z.array(z.string()),
  routes: z.array(z.string()),
})

export const ALIVE = z.strictObject({ status: z.literal('alive') })

export const READINESS = z.strictObject({
  status: z.enum(['ready', 'not ready']),
  parts: z.array(z.strictObject({ name, ready: z.boolean(), state: z.string(), detail: z.string() })),
})

export const METRICS_TEXT = z.string().describe('Metrics in the Prometheus text format')
