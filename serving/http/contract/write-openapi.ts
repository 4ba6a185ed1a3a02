/** `npm run openapi` writes the API document anew, after a change of routes or schemas; openapi.test.ts compares it. */
import { writeFile } from 'node:fs/promises'
import { openapiText } from './openapi-document.ts'

await writeFile(new URL('../../../docs/reference/openapi.json', import.meta.url), await openapiText())
