import { applyTheme } from "../common/theme.js"; applyTheme();
