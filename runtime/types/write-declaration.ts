/** Writes watershed.d.ts again from core/definition.ts: `node runtime/types/write-declaration.ts`. */
import { writeFile } from 'node:fs/promises'
import { DECLARATION_FILE } from '../commands/types-command.ts'
import { declarationText } from './declaration.ts'

await writeFile(DECLARATION_FILE, await declarationText())
