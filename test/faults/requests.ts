import type { PlannedJob } from './job-mix.js';

/** The text of a document that holds the marker of a job. */
export function documentOf({ marker }: PlannedJob): string {
  return `Rental agreement\n\nMarker: ${marker}\n\nThe rent is due on the first of the month.\n`;
}

/** The body of `POST /v1/jobs`. `reference` is an upload or the gateway's id of an earlier job. */
export function requestOf(job: PlannedJob, reference: string | undefined): Record<string, unknown> {
  const { type, marker, sim, priority } = job;
  const common = { type, priority, metadata: { key: job.key }, sim };
  const input = inputOf(job, reference);
  switch (type) {
    case 'parse':
      return { ...common, input };
    case 'extract':
      return { ...common, input, instructions: { schema: EXTRACTED }, settings: CITED };
    case 'split':
      // A split answers page numbers; the name of a section is what it says of the request.
      return {
        ...common,
        input,
        split_description: [{ name: `agreement ${marker}`, description: 'document agreement' }],
      };
    case 'edit':
      return {
        ...common,
        document_url: input,
        edit_instructions: 'Fill in the name "Ada Lovelace".',
        form_schema: [{ bbox: FIELD, description: marker, type: 'text' }],
      };
    case 'classify':
      return {
        ...common,
        input,
        classification_schema: [{ category: marker, criteria: ['It states a monthly rent.'] }],
      };
    case 'pipeline':
      return { ...common, input, pipeline_id: 'pipeline-1' };
  }
}

const EXTRACTED = { type: 'object', properties: { marker: { type: 'string' } } };
/** The citations have the text of the first page: that of an upload, or a line that names a remote document. */
const CITED = { citations: { enabled: true } };
const FIELD = { left: 0.1, top: 0.1, width: 0.3, height: 0.05, page: 1 };

function inputOf({ input, marker }: PlannedJob, reference: string | undefined): unknown {
  switch (input) {
    case 'url':
      return `https://documents.example/${marker}.pdf`;
    case 'urls':
      return [1, 2].map((part) => `https://documents.example/${marker}-${part}.pdf`);
    case 'upload':
      return reference;
    case 'uploadObject':
      return { file_id: reference };
    case 'earlierJob':
      return `jobid://${reference}`;
  }
}
