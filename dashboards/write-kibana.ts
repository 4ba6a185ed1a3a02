/** Writes kibana.ndjson anew from the panels: `node dashboards/write-kibana.ts`. */
import { writeFileSync } from 'node:fs'
import { KIBANA_FILE } from './install-dashboards.ts'
import { kibanaNdjson } from './kibana-objects.ts'
import { DASHBOARDS, DATA_VIEWS, DATASET } from './rsvp-dashboards.ts'

writeFileSync(KIBANA_FILE, kibanaNdjson(DATASET, DATA_VIEWS, DASHBOARDS))
