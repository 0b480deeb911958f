/** The web addresses of a text; nothing but http and https is ever a link. */
export function linksIn(text: string): string[] {
  const found = text.match(/\bhttps?:\/\/[^\s<>"'`]+/gi) ?? [];
  return [...new Set(found.map((link) => link.replace(/[.,;:!?)\]]+$/, '')))].filter((link) =>
    URL.canParse(link),
  );
}
