// Numbers from mountinfo files made up here.
#include "service/storage/mount_table.h"

#include <sys/sysmacros.h>

#include <catch2/catch.hpp>

#include "test/service/scratch.h"

namespace copper {

TEST_CASE("an inode's number depends on its mount point and on nothing else of the device") {
  const Scratch scratch;
  const auto here = scratch.write("here",
                                  "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                  "21 20 0:33 / /lus rw shared:2 - lustre x rw\n");
  const auto there = scratch.write("there",
                                   "50 1 8:7 / / rw - ext4 /dev/sdb1 rw\n"
                                   "51 50 0:91 / /lus rw - lustre x rw\n");
  MountTable one(here);
  MountTable other(there);
  CHECK(one.shown_inode(makedev(8, 1), 5) == other.shown_inode(makedev(8, 7), 5));
  CHECK(one.shown_inode(makedev(0, 33), 5) == other.shown_inode(makedev(0, 91), 5));
  CHECK(one.shown_inode(makedev(0, 33), 5) != one.shown_inode(makedev(8, 1), 5));
  CHECK(one.shown_inode(makedev(0, 33), 5) != one.shown_inode(makedev(0, 33), 6));
}

TEST_CASE("of several mounts of a device the one that shows most of it counts, then the shortest") {
  const Scratch scratch;
  const auto many = scratch.write("many",
                                  "1 0 8:1 /sub / rw - ext4 x rw\n"
                                  "2 1 8:1 / /mnt/longer rw - ext4 x rw\n"
                                  "3 1 8:1 / /mnt/it rw - ext4 x rw\n");
  const auto single = scratch.write("single", "3 1 8:1 / /mnt/it rw - ext4 x rw\n");
  CHECK(MountTable(many).shown_inode(makedev(8, 1), 7) == MountTable(single).shown_inode(makedev(8, 1), 7));
}

TEST_CASE("the table is read again for an unknown device, and one without a mount stands for itself") {
  const Scratch scratch;
  const auto path = scratch.write("mounts", "1 0 8:1 / / rw - ext4 x rw\nnonsense\n");
  MountTable table(path);
  const auto subvolume = table.shown_inode(makedev(0, 44), 7);
  CHECK(subvolume != table.shown_inode(makedev(8, 1), 7));
  CHECK(subvolume == MountTable(path).shown_inode(makedev(0, 44), 7));
  scratch.write("mounts",
                "1 0 8:1 / / rw - ext4 x rw\n2 1 8:2 / /new rw - ext4 x rw\n3 1 0:44 / /late rw - x x rw\n");
  CHECK(table.shown_inode(makedev(8, 2), 7) == MountTable(path).shown_inode(makedev(8, 2), 7));
  CHECK(table.shown_inode(makedev(0, 44), 7) == subvolume);
}

}  // namespace copper
