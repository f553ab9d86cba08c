import { Block, Box, Page, pageText } from '../documents/document.js';
import { isJsonObject, JsonObject, objectAt, objectsAt } from '../json.js';
import { ResultContext } from './result-context.js';
import { parseUsage } from './usage.js';

export function parseResponse(at: ResultContext): JsonObject {
  const { job } = at;
  const settings = objectAt(job.body, 'settings');
  return {
    response_type: 'parse',
    job_id: job.id,
    duration: at.durationSeconds,
    usage: parseUsage(at),
    result: at.place('result', fullResult(at)),
    pdf_url:
      settings['embed_pdf_metadata'] === true || job.sim.allLinks === true
        ? at.link('document.pdf')
        : null,
    studio_link: studioLink(job.id),
    document_properties:
      settings['extract_document_properties'] === true ? documentProperties() : null,
  };
}

export function studioLink(jobId: string): string {
  return `https://studio.example/job/${jobId}`;
}

/** The inner `result` of a parse, one chunk per page. */
export interface FullResult {
  type: 'full';
  chunks: JsonObject[];
  ocr: JsonObject | null;
  custom: null;
}

export function isFullResult(inner: unknown): inner is FullResult {
  return isJsonObject(inner) && inner['type'] === 'full' && Array.isArray(inner['chunks']);
}

function fullResult(at: ResultContext): FullResult {
  const files = filesOf(at);
  const chunks = at.pages.map((page) => chunkOf(page, files, at));
  const withOcr = objectAt(at.job.body, 'settings')['return_ocr_data'] === true;
  return { type: 'full', chunks, ocr: withOcr ? ocrOf(at.pages) : null, custom: null };
}

/** The links that the options of the request add (fact sheet 3.8), and the number of samples that have them. */
interface Files {
  pictures: number;
  pictureImages: boolean;
  tableImages: boolean;
  pageImages: boolean;
  charts: boolean;
  overlays: boolean;
  mergedTables: boolean;
}

function filesOf({ job: { body, sim } }: ResultContext): Files {
  const all = sim.allLinks === true;
  const images = objectAt(body, 'settings')['return_images'];
  const returns = (kind: string): boolean =>
    all || (Array.isArray(images) && images.includes(kind));
  const enhance = objectAt(body, 'enhance');
  const agents = objectsAt(enhance, 'agentic').filter(({ scope }) => scope === 'figure');
  const agentic = (option: string): boolean =>
    all || agents.some((agent) => agent[option] === true);
  const pictureImages = returns('figure');
  const charts = enhance['advanced_chart_agent'] === true || agentic('advanced_chart_agent');
  const overlays = agentic('return_overlays');
  return {
    pictures: sim.pictures ?? (pictureImages || charts || overlays ? 1 : 0),
    pictureImages,
    tableImages: returns('table'),
    pageImages: returns('page'),
    charts,
    overlays,
    mergedTables: all || objectAt(body, 'formatting')['merge_tables'] === true,
  };
}

function chunkOf(page: Page, files: Files, at: ResultContext): JsonObject {
  const content = pageText(page);
  const image = files.pageImages && { page_image_url: at.link(`page-${page.number}.png`) };
  const blocks = page.blocks.map((block, index) =>
    blockOf(block, page.number, { extra: image && index === 0 ? image : null }),
  );
  const samples = page.number === 1 ? sampleBlocks(files, at) : [];
  return {
    content,
    embed: content,
    enriched: null,
    enrichment_success: false,
    blocks: [...blocks, ...samples],
  };
}

function blockOf(block: Block, page: number, links: JsonObject): JsonObject {
  return {
    type: block.type,
    bbox: bboxOf(block.bbox, page),
    content: block.content,
    image_url: null,
    chart_data: null,
    confidence: 'high',
    granular_confidence: { extract_confidence: null, parse_confidence: 0.98 },
    merged_tables: null,
    extra: null,
    ...links,
  };
}

export function bboxOf(box: Box, page: number): JsonObject {
  return { ...box, page, original_page: page };
}

const CORNER: Box = { left: 0.6, top: 0.8, width: 0.3, height: 0.1 };

/** The sandbox finds no pictures and tables in documents: the options that need some add samples to page 1. */
function sampleBlocks(files: Files, at: ResultContext): JsonObject[] {
  const pictures = Array.from({ length: files.pictures }, (_, index) => {
    const n = index + 1;
    const extra = {
      ...(files.charts && { is_chart: true, chart_reconstruction: at.link(`chart-${n}.png`) }),
      ...(files.overlays && { overlay_url: at.link(`overlay-${n}.png`) }),
    };
    return blockOf({ type: 'Figure', content: `Sample picture ${n}`, bbox: CORNER }, 1, {
      image_url: files.pictureImages ? at.link(`picture-${n}.png`) : null,
      chart_data: files.charts ? [at.link(`chart-${n}.json`)] : null,
      extra: Object.keys(extra).length > 0 ? extra : null,
    });
  });
  if (!files.tableImages && !files.mergedTables) return pictures;
  const content = '| Sample | Table |';
  const part = (n: number): JsonObject => ({
    content,
    bbox: bboxOf(CORNER, 1),
    image_url: files.tableImages ? at.link(`table-part-${n}.png`) : null,
  });
  const table = blockOf({ type: 'Table', content, bbox: CORNER }, 1, {
    image_url: files.tableImages ? at.link('table-1.png') : null,
    merged_tables: files.mergedTables ? [part(1), part(2)] : null,
  });
  return [...pictures, table];
}

function ocrOf(pages: readonly Page[]): JsonObject {
  const lines = pages.flatMap((page, index) =>
    page.blocks.map(({ content, bbox }) => ({
      text: content,
      bbox: bboxOf(bbox, page.number),
      confidence: 0.98,
      chunk_index: index,
      rotation: 0,
    })),
  );
  const words = lines.flatMap((line) => line.text.split(/\s+/u).map((text) => ({ ...line, text })));
  return { words, lines };
}

function documentProperties(): JsonObject {
  return {
    title: 'Sample document',
    author: null,
    subject: null,
    keywords: null,
    creator: null,
    producer: null,
    last_modified_by: null,
    created_at: null,
    modified_at: null,
  };
}
