package props

import "strings"

// ContentType returns the media type of a file by the extension of its name, or
// application/octet-stream. The table is our own, so that every machine gives the same answer.
// Content is never read.
func ContentType(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || len(name)-dot > 8 {
		return "application/octet-stream"
	}
	ext := name[dot+1:]
	if t, ok := contentTypes[ext]; ok {
		return t
	}
	if t, ok := contentTypes[strings.ToLower(ext)]; ok {
		return t
	}
	return "application/octet-stream"
}

// contentTypes are the registered types of common file formats. Text is assumed to be UTF-8.
var contentTypes = map[string]string{
	"7z": "application/x-7z-compressed", "aac": "audio/aac", "apng": "image/apng", "asc": "text/plain; charset=utf-8",
	"atom": "application/atom+xml", "avi": "video/x-msvideo", "avif": "image/avif", "azw": "application/vnd.amazon.ebook",
	"bash": "application/x-sh", "bib": "text/x-bibtex; charset=utf-8", "bin": "application/octet-stream", "bmp": "image/bmp",
	"bz2": "application/x-bzip2", "c": "text/x-c; charset=utf-8", "cc": "text/x-c; charset=utf-8",
	"conf": "text/plain; charset=utf-8", "cpp": "text/x-c; charset=utf-8", "css": "text/css; charset=utf-8",
	"csv": "text/csv; charset=utf-8", "deb": "application/vnd.debian.binary-package", "diff": "text/x-diff; charset=utf-8",
	"djvu": "image/vnd.djvu", "dmg": "application/x-apple-diskimage", "doc": "application/msword",
	"docm": "application/vnd.ms-word.document.macroEnabled.12",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"dot":  "application/msword", "dotx": "application/vnd.openxmlformats-officedocument.wordprocessingml.template",
	"eml": "message/rfc822", "eot": "application/vnd.ms-fontobject", "eps": "application/postscript",
	"epub": "application/epub+zip", "exe": "application/vnd.microsoft.portable-executable", "flac": "audio/flac",
	"geojson": "application/geo+json", "gif": "image/gif", "go": "text/x-go; charset=utf-8", "gpx": "application/gpx+xml",
	"gz": "application/gzip", "h": "text/x-c; charset=utf-8", "heic": "image/heic", "heif": "image/heif",
	"htm": "text/html; charset=utf-8", "html": "text/html; charset=utf-8", "ico": "image/vnd.microsoft.icon",
	"ics": "text/calendar; charset=utf-8", "ini": "text/plain; charset=utf-8", "iso": "application/x-iso9660-image",
	"jar": "application/java-archive", "java": "text/x-java; charset=utf-8", "jpe": "image/jpeg", "jpeg": "image/jpeg",
	"jpg": "image/jpeg", "js": "text/javascript; charset=utf-8", "json": "application/json",
	"jsonl": "application/jsonl", "jxl": "image/jxl", "key": "application/vnd.apple.keynote",
	"kml": "application/vnd.google-earth.kml+xml", "kmz": "application/vnd.google-earth.kmz",
	"log": "text/plain; charset=utf-8", "m3u8": "application/vnd.apple.mpegurl", "m4a": "audio/mp4", "m4v": "video/mp4",
	"markdown": "text/markdown; charset=utf-8", "md": "text/markdown; charset=utf-8", "mid": "audio/midi",
	"midi": "audio/midi", "mjs": "text/javascript; charset=utf-8", "mkv": "video/matroska", "mobi": "application/x-mobipocket-ebook",
	"mod": "text/plain; charset=utf-8", "mov": "video/quicktime", "mp3": "audio/mpeg", "mp4": "video/mp4", "mpeg": "video/mpeg",
	"mpg": "video/mpeg", "msg": "application/vnd.ms-outlook", "msi": "application/x-msi",
	"numbers": "application/vnd.apple.numbers", "odf": "application/vnd.oasis.opendocument.formula",
	"odg": "application/vnd.oasis.opendocument.graphics", "odp": "application/vnd.oasis.opendocument.presentation",
	"ods": "application/vnd.oasis.opendocument.spreadsheet", "odt": "application/vnd.oasis.opendocument.text",
	"oga": "audio/ogg", "ogg": "audio/ogg", "ogv": "video/ogg", "opus": "audio/ogg", "otf": "font/otf",
	"pages": "application/vnd.apple.pages", "patch": "text/x-diff; charset=utf-8", "pdf": "application/pdf",
	"pem": "application/x-pem-file", "pgp": "application/pgp-encrypted", "php": "text/x-php; charset=utf-8",
	"pl": "text/x-perl; charset=utf-8", "png": "image/png", "pot": "application/vnd.ms-powerpoint",
	"pps": "application/vnd.ms-powerpoint", "ppt": "application/vnd.ms-powerpoint",
	"pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	"ps":   "application/postscript", "psd": "image/vnd.adobe.photoshop", "py": "text/x-python; charset=utf-8",
	"rar": "application/vnd.rar", "rb": "text/x-ruby; charset=utf-8", "rpm": "application/x-rpm",
	"rs": "text/x-rust; charset=utf-8", "rss": "application/rss+xml", "rst": "text/x-rst; charset=utf-8",
	"rtf": "application/rtf", "s": "text/x-asm; charset=utf-8", "sh": "application/x-sh", "sql": "application/sql",
	"sqlite": "application/vnd.sqlite3", "srt": "application/x-subrip", "svg": "image/svg+xml", "tar": "application/x-tar",
	"tex": "application/x-tex", "tgz": "application/gzip", "tif": "image/tiff", "tiff": "image/tiff",
	"toml": "application/toml", "torrent": "application/x-bittorrent", "ts": "video/mp2t",
	"tsv": "text/tab-separated-values; charset=utf-8", "ttf": "font/ttf", "txt": "text/plain; charset=utf-8",
	"vcard": "text/vcard; charset=utf-8", "vcf": "text/vcard; charset=utf-8", "vsd": "application/vnd.visio",
	"vtt": "text/vtt; charset=utf-8", "wasm": "application/wasm", "wav": "audio/wav", "weba": "audio/webm",
	"webm": "video/webm", "webmanifest": "application/manifest+json", "webp": "image/webp", "wma": "audio/x-ms-wma",
	"wmv": "video/x-ms-wmv", "woff": "font/woff", "woff2": "font/woff2", "xcf": "image/x-xcf",
	"xhtml": "application/xhtml+xml", "xls": "application/vnd.ms-excel",
	"xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	"xml":  "application/xml", "xsl": "application/xml", "xz": "application/x-xz", "yaml": "application/yaml",
	"yml": "application/yaml", "zip": "application/zip", "zst": "application/zstd",
}
