/*
 * Requests with every field of Reducto's API 1.12 and of its legacy form, as JSON text that parsing and serializing
 * would change: numbers like 1.10, and names in an order of their own.
 */

const PARSE_OPTIONS = `
  "enhance": {
    "agentic": [
      {"scope":"table","prompt":"Read totals.","mode":"max"},
      {"scope":"figure","prompt":null,"advanced_chart_agent":true,"return_overlays":true},
      {"scope":"text","prompt":"Handwriting"}
    ],
    "advanced_chart_agent": true, "summarize_figures": false, "intelligent_ordering": true
  },
  "retrieval": {
    "chunking": {"chunk_mode":"page_sections","chunk_size":900,"chunk_overlap":10},
    "filter_blocks": ["Header","Page Number","Comment"], "embedding_optimized": true
  },
  "formatting": {
    "add_page_markers": true, "table_output_format": "jsonbbox", "merge_tables": true,
    "include": ["change_tracking","highlight","comments","hyperlinks","signatures","ignore_watermarks"]
  },
  "spreadsheet": {
    "split_large_tables": {"enabled":true,"size":{"row":50,"column":null}},
    "include": ["cell_colors","formula","dropdowns"], "clustering": "fast",
    "exclude": ["hidden_sheets","hidden_rows","hidden_cols","styling","spreadsheet_images"],
    "max_cell_count": 1e5
  },
  "settings": {
    "ocr_system": "legacy", "extraction_mode": "ocr", "force_url_result": true, "force_file_extension": ".pdf",
    "return_ocr_data": true, "return_images": ["figure","table","page"], "embed_pdf_metadata": true,
    "embed_pdf_metadata_dpi": 250, "extract_document_properties": true, "persist_results": true,
    "tenant_throttling": {"tenant_id":"t1","max_share":0.50}, "timeout": 1.10,
    "page_range": [{"start":1,"end":null},{"start":3,"end":4}], "document_password": "secret",
    "hybrid_vpc": {"environment":"eu"}, "model": "r-1-mini", "alpha": {"layout":"v2"}
  }`;

const SPLIT_DESCRIPTION =
  '[{"partition_key":"claim","description":"The report","name":"report"},{"name":"a","description":"b","partition_key":null}]';

/** Requests of the v3 form, by job type; without the members that the gateway sets. */
export const V3_REQUESTS = {
  parse: `{"queue_priority":"batch","input":["https://example.com/a.pdf?x=1","https://example.com/b.pdf"],${PARSE_OPTIONS}}`,
  extract: `{
    "input": "https://example.com/a.pdf", "queue_priority": "standard", "parsing": {${PARSE_OPTIONS}},
    "instructions": {"schema":{"type":"object","properties":{"b":{},"a":{"minimum":1.0}}},"system_prompt":"Be \\u0062rief."},
    "settings": {
      "include_images": true, "optimize_for_latency": true, "force_url_result": true, "array_extract": true,
      "deep_extract": true, "page_range": ["Sheet 1"],
      "citations": {"enabled":true,"numerical_confidence":false,"parent_block":"bbox_only"}
    }}`,
  split: `{
    "split_rules": "One each.", "split_description": ${SPLIT_DESCRIPTION},
    "input": "https://example.com/a.pdf", "parsing": {${PARSE_OPTIONS}},
    "settings": {"table_cutoff":"preserve","allow_page_overlap":false,"auto_partition":false,"deep_split":true,"force_url_result":true}}`,
  edit: `{
    "edit_instructions": "Fill in.", "document_url": "https://example.com/form.pdf",
    "edit_options": {
      "color": "#00FF00", "font_size": 12.50, "llm_provider_preference": null, "enable_overflow_pages": true, "flatten": true
    },
    "form_schema": [{
      "bbox": {"left":0.10,"top":0.2,"width":0.3,"height":0.4,"page":1,"original_page":null},
      "description": "Name", "type": "text", "fill": false, "value": "Ada", "font_size": 10
    }]}`,
  classify: `{
    "input": "https://example.com/a.pdf",
    "classification_schema": [{"criteria":["It has a total."],"category":"invoice"},{"category":"other","criteria":[]}],
    "category_groups": {"money":["invoice"],"2":[],"1":[]}, "model": "accurate", "force_url_result": true,
    "page_range": [1,2,3], "document_metadata": "From the mail room."}`,
  pipeline: `{"pipeline_id":"p1","settings":{"document_password":"secret"},"input":"https://example.com/a.pdf"}`,
} as const;

const LEGACY_OPTIONS = `
  "options": {
    "ocr_mode": "standard", "extraction_mode": "metadata", "chunking": {"chunk_mode":"variable","chunk_size":1000},
    "table_summary": {"enabled":true,"prompt":null}, "figure_summary": {"enabled":true,"override":false},
    "filter_blocks": ["Footer"], "force_url_result": false
  },
  "advanced_options": {
    "ocr_system": "highres", "table_output_format": "ai_json", "merge_tables": true, "add_page_markers": true,
    "page_range": {"start":1,"end":10}, "document_password": null, "persist_results": true, "return_ocr_data": true,
    "large_table_chunking": {"enabled":true,"size":50}, "spreadsheet_table_clustering": "default",
    "exclude_hidden_sheets": true, "exclude_hidden_rows_cols": true, "force_file_extension": null,
    "continue_hierarchy": true, "keep_line_breaks": false, "read_comments": true
  },
  "experimental_options": {
    "enrich": {"enabled":true,"mode":"standard","prompt":null}, "return_figure_images": true, "rotate_pages": true,
    "native_office_conversion": true, "enable_checkboxes": true, "layout_model": "default"
  }`;

/** Requests of the legacy form, by job type. */
export const LEGACY_REQUESTS = {
  parse: `{"document_url":"https://example.com/a.pdf",${LEGACY_OPTIONS}}`,
  extract: `{
    "schema": {"type":"object","properties":{"b":{},"a":{}}}, "system_prompt": "Be precise.", "generate_citations": true,
    "array_extract": {"enabled":true,"mode":"auto"}, "document_url": ["https://example.com/a.pdf"], ${LEGACY_OPTIONS}}`,
  split: `{
    "split_description": ${SPLIT_DESCRIPTION}, "split_rules": "One each.", "document_url": "https://example.com/a.pdf",
    ${LEGACY_OPTIONS}}`,
} as const;
