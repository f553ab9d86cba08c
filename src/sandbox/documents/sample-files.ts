/** The files behind the links of results: small, but real files of their type. */
export interface SampleFile {
  contentType: string;
  bytes: Buffer;
}

export function sampleFile(name: string): SampleFile {
  if (name.endsWith('.png')) return { contentType: 'image/png', bytes: PIXEL };
  if (name.endsWith('.json')) return { contentType: 'application/json', bytes: CHART };
  return { contentType: 'application/pdf', bytes: samplePdf('A document of the sandbox') };
}

export const SAMPLE_CHART = {
  title: 'Sample chart',
  series: [{ name: 'Sample series', points: [1, 2, 3] }],
};
const CHART = Buffer.from(JSON.stringify(SAMPLE_CHART));

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** A PDF of one page with one line, of printable ASCII without parentheses. */
function samplePdf(line: string): Buffer {
  const text = `BT /F1 18 Tf 50 780 Td (${line}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${text.length} >>\nstream\n${text}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let file = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = file.length;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const size = objects.length + 1;
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${offsets.join('')}`;
  const trailer = `trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(file + table + trailer);
}
