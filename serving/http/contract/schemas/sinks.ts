/** The sinks of all datasets and how each one does. */
import { z } from 'zod'
import { name } from './scalars.ts'

export const SINKS = z.strictObject({
  sinks: z.array(
    z.strictObject({
      dataset: name,
      sink: name,
      kind: z.string(),
      view: name,
      state: z
        .enum(['running', 'failing', 'refused', 'elsewhere', 'stopped'])
        .describe('failing: tried again by itself; refused: a person must act; stopped: no process runs it'),
      reason: z.string().nullable().describe('Why it is in this state, where that is not plain'),
      deliveries: z.number().describe('Deliveries that the receiver has taken'),
      delivered: z
        .string()
        .nullable()
        .describe('Id of the answer that the receiver has, which begins with its position'),
      lastDeliveryAt: z.string().nullable(),
      waitingMs: z
        .number()
        .nullable()
        .describe('For how long the present delivery has not been taken; null: none is made'),
    }),
  ),
})
