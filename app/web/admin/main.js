// Starts the page of those who run the service.
import { startPage } from "../lib/page.js";

await startPage("admin");
