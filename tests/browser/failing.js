export default async ({ page }) => {
  throw new Error(`${page.url()} is not an object`);
};
