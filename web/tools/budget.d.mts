export function weigh(): { entry: number; all: number; css: number };
