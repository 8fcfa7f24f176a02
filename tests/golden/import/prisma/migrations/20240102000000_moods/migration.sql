-- CreateEnum
CREATE TYPE "mood" AS ENUM ('calm', 'happy');

-- AlterEnum
BEGIN;
CREATE TYPE "mood_new" AS ENUM ('calm');
ALTER TYPE "mood" RENAME TO "mood_old";
ALTER TYPE "mood_new" RENAME TO "mood";
DROP TYPE "mood_old";
COMMIT;
