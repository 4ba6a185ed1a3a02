/** The schema of the panels of a definition. */
import { z } from 'zod'

const text = z.string()

export const panelSchema = z.strictObject({
  kind: text,
  view: text.optional(),
  title: text.optional(),
  section: text.optional(),
  measures: z.array(text).optional(),
  dimensions: z.array(text).optional(),
  order: text.optional(),
  limit: z.number().optional(),
  filter: z.record(text, z.array(text)).optional(),
  width: z.number().optional(),
})

export const PANEL_MEMBERS: readonly string[] = Object.keys(panelSchema.shape)
