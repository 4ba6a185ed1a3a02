/** Writes kibana.ndjson anew from the panels of the definition: `node dashboards/write-kibana.ts`. */
import { writeFileSync } from 'node:fs'
import { KIBANA_FILE } from './install-dashboards.ts'
import { kibanaNdjson } from './kibana-objects.ts'
import { DATASET, shippedKibana } from './shipped-kibana.ts'

const { dataViews, dashboards } = await shippedKibana()
writeFileSync(KIBANA_FILE, kibanaNdjson(DATASET, dataViews, dashboards))
