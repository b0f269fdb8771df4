package davxml_test

// clientBodies are bodies sent by clients and test suites.
var clientBodies = []struct{ from, body string }{
	{"Windows: first PROPPATCH after PUT", `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" ` +
		`xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop><Z:Win32CreationTime>Tue, 02 Jan 2024 10:11:12 GMT` +
		`</Z:Win32CreationTime><Z:Win32LastAccessTime>Tue, 02 Jan 2024 10:11:12 GMT</Z:Win32LastAccessTime>` +
		`<Z:Win32LastModifiedTime>Tue, 02 Jan 2024 10:11:12 GMT</Z:Win32LastModifiedTime>` +
		`<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>`},
	{"Windows: LOCK", `<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/>` +
		`</D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>DOMAIN\user</D:href></D:owner></D:lockinfo>`},
	{"macOS: PROPFIND", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:propfind xmlns:D=\"DAV:\">\n<D:prop>\n" +
		"<D:getlastmodified/>\n<D:getcontentlength/>\n<D:creationdate/>\n<D:resourcetype/>\n</D:prop>\n</D:propfind>\n"},
	{"macOS: appledoubleheader", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:propfind xmlns:D=\"DAV:\">\n<D:prop>\n" +
		"<A:appledoubleheader xmlns:A=\"http://www.apple.com/webdav_fs/props/\"/>\n</D:prop>\n</D:propfind>\n"},
	{"macOS: LOCK", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:lockinfo xmlns:D=\"DAV:\">\n<D:lockscope><D:exclusive/>" +
		"</D:lockscope>\n<D:locktype><D:write/></D:locktype>\n<D:owner>\n<D:href>http://www.apple.com/webdav_fs/</D:href>\n" +
		"</D:owner>\n</D:lockinfo>\n"},
	{"KIO: PROPFIND", `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:creationdate/>` +
		`<D:getcontentlength/><D:displayname/><D:source/><D:getcontentlanguage/><D:getcontenttype/><D:getlastmodified/>` +
		`<D:getetag/><D:supportedlock/><D:lockdiscovery/><D:resourcetype/><D:quota-available-bytes/>` +
		`<D:quota-used-bytes/></D:prop></D:propfind>`},
	{"neon: PROPFIND", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<propfind xmlns=\"DAV:\"><prop>\n" +
		"<getcontentlength xmlns=\"DAV:\"/>\n<executable xmlns=\"http://apache.org/dav/props/\"/>\n" +
		"<resourcetype xmlns=\"DAV:\"/>\n</prop></propfind>\n"},
	{"neon: LOCK", "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<lockinfo xmlns='DAV:'>\n <lockscope><exclusive/></lockscope>\n" +
		"<locktype><write/></locktype><owner>joe</owner>\n</lockinfo>\n"},
	{"gvfs: PROPFIND", "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n <D:propfind xmlns:D=\"DAV:\">\n  <D:prop>\n" +
		"<D:resourcetype/>\n<D:displayname/>\n  </D:prop>\n </D:propfind>"},
	{"davix: character data in property names", `<?xml version="1.0" encoding="utf-8" ?><D:propfind xmlns:D="DAV:" ` +
		`xmlns:L="LCGDM:"><D:prop><D:displayname>name</D:displayname><D:getlastmodified>date</D:getlastmodified>` +
		`<L:mode>000</L:mode></D:prop></D:propfind>`},
	{"litmus: propvalnspace", `<?xml version="1.0" encoding="utf-8" ?><propertyupdate xmlns='DAV:'><set><prop>` +
		`<t:valnspace xmlns:t='http://example.com/neon/litmus/'><foo xmlns='http://bar'/></t:valnspace>` +
		`</prop></set></propertyupdate>`},
	{"litmus: prophighunicode", `<?xml version="1.0" encoding="utf-8" ?><propertyupdate xmlns='DAV:'><set><prop>` +
		`<high-unicode xmlns='http://example.com/neon/litmus/'>&#65536;</high-unicode></prop></set></propertyupdate>`},
	{"litmus: propnullns", `<?xml version="1.0" encoding="utf-8" ?><propertyupdate xmlns='DAV:'><set><prop>` +
		`<nonamespace xmlns=''>randomvalue</nonamespace></prop></set></propertyupdate>`},
	{"litmus: propremoveset", `<?xml version="1.0" encoding="utf-8" ?><propertyupdate xmlns='DAV:'><remove><prop>` +
		`<removeset xmlns='http://example.com/neon/litmus/'/></prop></remove><set><prop>` +
		`<removeset xmlns='http://example.com/neon/litmus/'>x</removeset></prop></set></propertyupdate>`},
	{"litmus: propextended", `<?xml version="1.0" encoding="utf-8" ?><propfind xmlns="DAV:"><foobar/><allprop/></propfind>`},
	{"RFC 4918 §4.3.1", `<D:prop xml:lang="en" xmlns:D="DAV:">
       <x:author xmlns:x='http://example.com/ns'>
         <x:name>Jane Doe</x:name>
         <!-- Jane's contact info -->
         <x:uri type='email'
                added='2005-11-26'>mailto:jane.doe@example.com</x:uri>
         <x:notes xmlns:h='http://www.w3.org/1999/xhtml'>
           Jane has been working way <h:em>too</h:em> long on the
           long-awaited revision of <![CDATA[<RFC2518>]]>.
         </x:notes>
       </x:author>
     </D:prop>`},
	{"a schema in a property", `<u xmlns="DAV:" xmlns:xs="http://www.w3.org/2001/XMLSchema" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><p xmlns="urn:p" xsi:nil="false">` +
		`<v xsi:type="xs:string" xml:space="preserve"> a </v></p></u>`},
}
