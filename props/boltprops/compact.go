package boltprops

import (
	"runtime"

	"go.etcd.io/bbolt"
)

// wasteful reports whether a file is large and mostly free: bbolt never shrinks its file.
func wasteful(db *bbolt.DB, size int64) bool {
	const large = 64 << 20
	free := int64(db.Stats().FreePageN) * int64(db.Info().PageSize)
	return runtime.GOOS != "windows" && size >= large && free > size/4*3
}

// compact copies the state to a temp file and renames that over the old one. Both are locked, so
// that no other process can open either meanwhile.
func (s *Store) compact(st *state) error {
	temp := s.tempName()
	db, file, err := s.bolt(temp, createNew)
	if err != nil {
		return err
	}
	opened, err := file.Stat()
	if err != nil {
		s.guarded(db.Close)
		s.dir.Remove(temp)
		return err
	}
	err = s.guarded(func() error {
		db.NoSync, db.NoGrowSync = true, true // synced once, at the end
		if err := bbolt.Compact(db, st.db, 16<<20); err != nil {
			return err
		}
		db.NoSync, db.NoGrowSync = false, false
		return db.Sync()
	})
	if err == nil {
		err = s.dir.Rename(temp, s.base())
	}
	if err != nil {
		s.guarded(db.Close)
		s.dir.Remove(temp)
		return s.translate(err)
	}
	old := st.db
	st.db, st.opened = db, opened
	s.guarded(old.Close)
	return syncDir(s.dir)
}
