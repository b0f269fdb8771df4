// Package fsbackend holds the trees of files that a server can serve, each as a webdav.FileSystem: a directory of the
// disk (Root), a tree in memory (Memory), and whatever afero has a back end for (New).
//
// Root implements every optional interface of dav207/server/tree besides, New those that a back end of afero has a use for.
// Errors are those of io/fs with the
// name the caller used, never a path of the host: errors.Is finds fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
// fs.ErrInvalid, and the values of package syscall that have no such name: ENOTEMPTY, ENOTDIR, EISDIR, ENOSPC, EXDEV.
// What lies below a file does not exist when it is looked at, and is syscall.ENOTDIR when it is to be created.
//
// A file is written aside and put in its place in one step. What stands aside has a name that begins with
// davpath.TempPrefix; the listings here show it, the server does not.
//
// The package knows no HTTP and no properties. Of the three only Root is a jail: see New.
package fsbackend
