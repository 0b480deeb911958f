/** The icons: 20 units square, drawn with the text's colour. */
const paths = {
  today:
    'M4 6.5A1.5 1.5 0 0 1 5.5 5h9A1.5 1.5 0 0 1 16 6.5v8a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 4 14.5zM4 8.5h12M7 3.5v3M13 3.5v3M10 11v2.5',
  upcoming:
    'M4 6.5A1.5 1.5 0 0 1 5.5 5h9A1.5 1.5 0 0 1 16 6.5v8a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 4 14.5zM4 8.5h12M7 3.5v3M13 3.5v3M7 11.5h.01M10 11.5h.01M13 11.5h.01M7 13.7h.01M10 13.7h.01',
  overdue: 'M10 6.5V10l2.5 1.5M10 16.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z',
  all: 'M7.5 5.5H16M7.5 10H16M7.5 14.5H16M4 5.5h.01M4 10h.01M4 14.5h.01',
  completed: 'M6.8 10.2l2.2 2.2 4.4-4.6M10 16.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z',
  activity: 'M3.5 10h3l2-5 3 10 2-5h3',
  settings:
    'M10 12.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM10 3.5v2M10 14.5v2M3.5 10h2M14.5 10h2M5.4 5.4l1.4 1.4M13.2 13.2l1.4 1.4M14.6 5.4l-1.4 1.4M6.8 13.2l-1.4 1.4',
  bell: 'M5.5 13.5V9a4.5 4.5 0 0 1 9 0v4.5l1 1h-11zM8.5 16.5h3',
  more: 'M4.5 10h.01M10 10h.01M15.5 10h.01',
  menu: 'M4 6h12M4 10h12M4 14h12',
  plus: 'M10 4.5v11M4.5 10h11',
  check: 'M5 10.5l3.5 3.5L15 6.5',
  close: 'M5.5 5.5l9 9M14.5 5.5l-9 9',
  back: 'M11.5 4.5L6 10l5.5 5.5M6 10h10',
  search: 'M9 14a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM12.7 12.7L16.5 16.5',
  repeat:
    'M5 9V8a2.5 2.5 0 0 1 2.5-2.5H15M13 3.5l2 2-2 2M15 11v1a2.5 2.5 0 0 1-2.5 2.5H5M7 16.5l-2-2 2-2',
  edit: 'M12.5 4.5l3 3L8 15H5v-3zM11 6l3 3',
  trash: 'M4.5 6h11M8 6V4.5h4V6M6 6l.7 10h6.6L14 6M8.5 9v4M11.5 9v4',
  clock: 'M10 6.5V10l2.5 1.5M10 16.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z',
  flag: 'M5.5 16.5v-12h8l-1.5 3.2 1.5 3.3h-8',
  tag: 'M4 4h5.5l6.5 6.5-5.5 5.5L4 9.500zM7 7h.01',
  warning: 'M10 4l7 12H3zM10 8.500v3.500M10 14h.01',
  undo: 'M7 5L4 8l3 3M4 8h7.500a4 4 0 0 1 0 8H8',
  filter: 'M4 5.500h12M6.500 10h7M8.500 14.500h3',
  out: 'M8 16H5V4h3M9 10h7M13.500 7.500L16 10l-2.500 2.500',
  help: 'M8 8a2 2 0 1 1 2.800 1.900c-.5.2-.8.600-.8 1.100v.5M10 13.800h.01M10 16.500a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13z',
  offline: 'M3.500 8.500a9 9 0 0 1 13 0M6 11.200a5.500 5.500 0 0 1 8 0M10 14.500h.01M4 4l12 12',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  const bold = name === 'more';
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth={bold ? 2.4 : 1.6}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}
