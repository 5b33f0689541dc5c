/* Whether somebody has a file open for writing, as far as the kernel knows. It gives a read lease (F_SETLEASE) when
 * nobody has, and says EAGAIN when somebody has.
 *
 * Over the network it is another matter. NFS 4 and SMB give a lease only as long as the server has promised to tell
 * when another machine opens the file (a delegation, an oplock), and say EAGAIN without that promise, too
 * (fs/nfs/nfs4proc.c, nfs4_add_lease; fs/smb/client/cifsfs.c, cifs_setlease): there a lease says that nobody writes,
 * but EAGAIN says nothing. NFS 3 gives none at all (EINVAL), nor does any file system for a file of another user
 * (EACCES). */
#ifndef WEIR_INTAKE_DROP_WRITERS_H
#define WEIR_INTAKE_DROP_WRITERS_H

typedef enum DropWriters { DROP_WRITERS_NONE, DROP_WRITERS_SOME, DROP_WRITERS_UNKNOWN } DropWriters;

/* `fd` is open for reading. */
DropWriters drop_writers_find(int fd);

/* What the answer says: `error` is the lease's errno, 0 when it was given; `file_system` is as statfs() has it. */
DropWriters drop_writers_judge(int error, long file_system);

#endif
