/** Schemas of single values that several responses share. */
import { z } from 'zod'

export const offset = z.number().int().min(0)
export const name = z.string()
export const moment = z.string().describe('ISO 8601 in UTC')
